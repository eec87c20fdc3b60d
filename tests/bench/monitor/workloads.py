"""What is timed: training and evaluation steps of the CNN and the GPT of the examples."""

import copy
import sys
from pathlib import Path

import torch
from torch import nn, optim
from torch.nn import functional

EXAMPLES = Path(__file__).resolve().parents[3] / "client" / "python" / "examples"
sys.path.append(str(EXAMPLES))

import digits_cnn  # noqa: E402
import small_gpt  # noqa: E402


class Workload:
    """A model with batches to train on and batches to evaluate, (inputs, labels) each."""

    next_token = False

    def __init__(self, name, model, training, evaluation, steps):
        """`steps` = those of a block: (training, evaluation)."""
        self.name, self.model = name, model
        self.training, self.evaluation = training, evaluation
        self.training_steps, self.evaluation_steps = steps

    def copy_model(self):
        """Another model with the same weights."""
        return copy.deepcopy(self.model)

    def loss(self, scores, labels):
        """The mean cross entropy."""
        return functional.cross_entropy(scores, labels)

    def train(self, model, optimizer):
        """Trains for a block."""
        model.train()
        for step in range(self.training_steps):
            x, y = self.training[step % len(self.training)]
            optimizer.zero_grad()
            self.loss(model(x), y).backward()
            optimizer.step()

    @torch.no_grad()
    def evaluate(self, model, labels=None):
        """Runs the model for a block; `labels` takes those of each batch."""
        for step in range(self.evaluation_steps):
            x, y = self.evaluation[step % len(self.evaluation)]
            if labels is not None:
                labels(y)
            model(x)

    def optimizer(self, model):
        """SGD that changes next to nothing, so that every block does the same."""
        return optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=5e-3)


class NextToken(Workload):
    """A language model: inputs [n, t] are labels too."""

    next_token = True

    def loss(self, scores, labels):
        """The mean cross entropy; position t is judged by token t + 1."""
        return small_gpt.next_token_loss(scores, labels)


def cnn(rows, steps):
    """Returns the CNN of the digits, trained on 64 rows at a time and evaluated on `rows`."""
    x, y = torch.rand(2048, 64) * 2 - 1, torch.randint(10, (2048,))

    def batches(size):
        return list(zip(x.split(size), y.split(size), strict=True))

    name = f"CNN, {rows} rows"
    return Workload(name, digits_cnn.make_model(), batches(64), batches(rows), steps)


def gpt(steps):
    """Returns the small GPT, 16 windows of 64 tokens at a time."""
    tokens, _, vocabulary = small_gpt.load_text()
    batches = [(batch, batch) for batch in small_gpt.windows(tokens)[:-1]]
    model = small_gpt.GPT(len(vocabulary))
    return NextToken("GPT, 16 x 64 tokens", model, batches, batches, steps)


def head_of(model):
    """Returns the last linear layer."""
    return [each for each in model.modules() if isinstance(each, nn.Linear)][-1]


# With the steps of a block: short ones, since what else a machine does changes within seconds.
WORKLOADS = {
    "cnn": lambda: cnn(512, (10, 8)),
    "cnn-64": lambda: cnn(64, (10, 48)),
    "gpt": lambda: gpt((6, 16)),
}
