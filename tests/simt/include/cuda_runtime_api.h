// The part of cuda_runtime.h that is C in the toolkit.
#pragma once

#include "cuda_runtime.h"
