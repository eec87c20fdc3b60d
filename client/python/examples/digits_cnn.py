"""Trains a small CNN on handwritten digits far past zero error and watches it collapse.

Training and measuring are those of digits_mlp.py; the network is another one.

    python digits_cnn.py --server 127.0.0.1:50051 --run digits-cnn
"""

from torch import nn

from common import options
from digits_mlp import train


def convolution(inputs, outputs):
    """Returns a 3x3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def make_model():
    """Returns a network from pixels [n, 64] to scores [n, 10]; its last layer has 64 features."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        convolution(1, 16),
        convolution(16, 32),
        nn.MaxPool2d(2),
        convolution(32, 64),
        nn.MaxPool2d(2),
        convolution(64, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


if __name__ == "__main__":
    given = options(__doc__, run="digits-cnn", epochs=100)
    train(make_model(), given)
