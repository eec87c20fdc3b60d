"""A training of several ranks, started by test_monitor_distributed.py for each of them."""

import json
import os
import signal
import sys

import ncscope
import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

CLASSES, DIM, ROWS = 5, 16, 203  # not a multiple of the ranks


class Numbered(TensorDataset):
    """Samples with their index."""

    def __getitem__(self, index):
        return (index, *super().__getitem__(index))


def make_model():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, DIM), nn.ReLU())
    return nn.Sequential(body, nn.Linear(DIM, CLASSES))


def make_data():
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, CLASSES, ROWS))
    return torch.randn(ROWS, 8, generator=torch.Generator().manual_seed(1)) + labels[
        :, None
    ], labels


def main(address, run, mode, attempt, dies_in):
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    model = make_model()
    data = Numbered(*make_data())
    sampler = DistributedSampler(data, world, rank, shuffle=True, seed=4)
    loader = DataLoader(data, batch_size=16, sampler=sampler)
    if mode == "fsdp":
        from torch.distributed.fsdp import FullyShardedDataParallel

        wrapped = FullyShardedDataParallel(model, device_id=torch.device("cpu"))
        head = model[1]
    elif mode == "fsdp2":
        from torch.distributed.fsdp import fully_shard

        fully_shard(model[0])
        fully_shard(model)
        wrapped, head = model, model[1]
    else:
        wrapped = nn.parallel.DistributedDataParallel(model)
        head = model[1]
    monitor = ncscope.Monitor(wrapped, head, run=run, server=address, num_classes=CLASSES)
    if attempt:
        monitor.load_state_dict({"run": run, "epoch": 0, "attempt": attempt - 1})
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.02)
    future, losses = None, []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for _, x, y in loader:
            loss = nn.functional.cross_entropy(wrapped(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        wrapped.eval()
        with torch.no_grad(), monitor.epoch(epoch) as measured:
            for number, (ids, x, y) in enumerate(loader):
                if rank == 1 and epoch == dies_in and number == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                wrapped(x)
                measured.labels(y, sample_ids=ids)
        wrapped.train()
        future = measured.future
    report = future.result(60) if rank == 0 else None
    monitor.close()
    said = {"rank": rank, "world": [monitor.rank, monitor.world_size], "losses": losses}
    if report is not None:
        said |= {
            "samples": report.data.samples,
            "pinv": report.nc1.pinv,
            "nc3": report.nc3.distance,
            "agreement": report.nc4.agreement,
            "attempt": report.attempt,
        }
    print(json.dumps(said), flush=True)
    os._exit(0)  # a process group whose members are gone does not end


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
