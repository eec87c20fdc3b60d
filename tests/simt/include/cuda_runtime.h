// Stands in for the toolkit's header: CUDA C++ as far as ncscope uses it, for a host compiler.
// See tests/simt/README.md.
#pragma once

#define CUDART_VERSION 13000

#include "simt_device.h"
#include "simt_host.h"
#include "simt_launch.h"
#include "simt_math.h"
#include "simt_types.h"
