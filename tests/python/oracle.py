"""The definitions, written out: plain float64, two passes, np.linalg.pinv.

Nothing here is shared with the product, and nothing is clever. `h` [N, d], `y` [N]; P present
classes; M [P, d] centred class means; rows of W of absent classes count in W-only metrics.
"""

import numpy as np

SPACING = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7, "float64": 2.0**-52}


def metrics(h, y, num_classes, weight=None, bias=None, weighting="uniform", dtype="float32"):
    """Returns values by path ("nc1.pinv"); what is undefined for want of W is left out."""
    h = np.asarray(h, dtype=np.float64)
    y = np.asarray(y)
    labels = np.unique(y)
    index = np.searchsorted(labels, y)
    counts = np.bincount(index)
    mu = np.stack([h[index == c].mean(axis=0) for c in range(len(labels))])
    share = counts / len(y) if weighting == "by_count" else np.full(len(labels), 1 / len(labels))
    mu_g = share @ mu
    m = mu - mu_g
    s_w = sum(np.outer(r, r) for r in h - mu[index]) / len(y)
    s_b = sum(w * np.outer(r, r) for w, r in zip(share, m, strict=True))
    v = np.array([((h[index == c] - mu[c]) ** 2).sum(axis=1).mean() for c in range(len(labels))])

    out = {"data.samples": len(y), "data.present_classes": len(labels)}
    out.update(_nc1(h, s_w, s_b, v, mu, dtype))
    out.update(_etf("nc2.means", m, mu))
    out.update(_spectrum("spectrum.within", s_w))
    out.update(_spectrum("spectrum.between", s_b))
    out.update(_spectrum("spectrum.total", s_w + s_b))
    if len(labels) >= 6 and counts.min() < counts.max():
        rare = np.argsort(counts, kind="stable")[: len(labels) // 3]
        out["minority.classes"] = len(rare)
        out["minority.means_cosine"] = _pair_cosines(m[rare]).mean()
        if weight is not None:
            out["minority.classifier_cosine"] = _pair_cosines(weight[labels[rare]]).mean()
    if weight is not None:
        weight = np.asarray(weight, dtype=np.float64)
        offset = np.zeros(num_classes) if bias is None else np.asarray(bias, dtype=np.float64)
        out.update(_etf("nc2.classifier", weight - weight.mean(axis=0), weight))
        out.update(_nc3(weight, offset, labels, m, mu_g))
    out.update(_nc4(h, y, labels, mu, weight, None if weight is None else offset))
    return out


def _nc1(h, s_w, s_b, v, mu, dtype):
    classes, dim = mu.shape
    eigenvalues, vectors = np.linalg.eigh(s_b)
    cutoff = max(classes, dim) * np.finfo(float).eps
    keep = eigenvalues > cutoff * eigenvalues.max()
    basis = vectors[:, keep]
    pairs = [(a, b) for a in range(classes) for b in range(a + 1, classes)]
    gap = np.array([np.sum((mu[a] - mu[b]) ** 2) for a, b in pairs])
    spread = np.array([(v[a] + v[b]) / 2 for a, b in pairs])
    inverse = np.linalg.pinv(s_b, rcond=cutoff, hermitian=True)
    mean_square = np.mean(h**2)
    explained = np.trace(np.linalg.pinv(s_w + s_b, rcond=1e-13, hermitian=True) @ s_b)
    collapse = 1 - explained / keep.sum()
    if collapse < 1e-4:  # the subtraction leaves too little; S_W is regular in these data
        root = np.sqrt(eigenvalues[keep])[:, None] * basis.T
        collapse = np.trace(np.linalg.inv(np.eye(len(root)) + root @ np.linalg.inv(s_w) @ root.T))
        collapse /= len(root)
    return {
        "nc1.vci": collapse,
        "nc1.pinv": np.trace(s_w @ inverse) / classes,
        "nc1.quotient": np.trace(s_w) / np.trace(s_b),
        "nc1.cdnv": np.mean(spread / gap),
        "nc1.cdnv_max": np.max(spread / gap),
        "nc1.cdnv_fourth": np.mean(spread / gap**2),
        "nc1.within_trace": np.trace(s_w),
        "nc1.between_trace": np.trace(s_b),
        "nc1.total_trace": np.trace(s_w) + np.trace(s_b),
        "nc1.outside_span": 1 - np.trace(basis.T @ s_w @ basis) / np.trace(s_w),
        "nc1.rank": int(keep.sum()),
        "nc1.condition": eigenvalues[keep].max() / eigenvalues[keep].min(),
        "nc1.precision_floor": SPACING[dtype] ** 2 * mean_square / 12 * mu.shape[1] / np.trace(s_b),
    }


def _spectrum(path, scatter):
    eigenvalues = np.maximum(np.linalg.eigvalsh(scatter), 0)
    share = eigenvalues / eigenvalues.sum()
    share = share[share > 0]
    return {
        f"{path}.effective_rank": np.exp(-np.sum(share * np.log(share))),
        f"{path}.stable_rank": eigenvalues.sum() / eigenvalues.max(),
        f"{path}.participation_ratio": eigenvalues.sum() ** 2 / np.sum(scatter**2),
    }


def _pair_cosines(x):
    unit = x / np.linalg.norm(x, axis=1)[:, None]
    return np.array([unit[a] @ unit[b] for a in range(len(x)) for b in range(a + 1, len(x))])


def _etf(path, x, raw):
    m, dim = x.shape
    norms, raw_norms = np.linalg.norm(x, axis=1), np.linalg.norm(raw, axis=1)
    cosines = _pair_cosines(x)
    gram = x @ x.T
    ideal = (np.eye(m) - 1 / m) / np.sqrt(m - 1)
    floor = 0.0 if dim >= m - 1 else np.sqrt(2 - 2 * np.sqrt(dim / (m - 1)))
    unit = x / norms[:, None]
    distances = np.array(
        [np.linalg.norm(unit[a] - unit[b]) for a in range(m) for b in range(a + 1, m)]
    )
    kernels = {
        "distance": distances,
        "log": np.log(1 / distances),
        "riesz": np.sign(dim - 2) * distances ** (2.0 - dim),
    }
    uniformity = {
        f"{path}.uniformity_{name}_{moment}": getattr(values, moment)()
        for name, values in kernels.items()
        for moment in ("mean", "var")
    }
    return uniformity | {
        f"{path}.equinorm": norms.std() / norms.mean(),
        f"{path}.equinorm_raw": raw_norms.std() / raw_norms.mean(),
        f"{path}.equiangular": cosines.std(),
        f"{path}.max_angle": np.mean(np.abs(cosines + 1 / (m - 1))),
        f"{path}.coherence": cosines.max(),
        f"{path}.etf_error": np.linalg.norm(gram / np.linalg.norm(gram) - ideal),
        f"{path}.etf_floor": floor,
    }


def _nc3(weight, bias, labels, m, mu_g):
    w = weight[labels]
    classes = len(labels)
    product = w @ m.T
    ideal = (np.eye(classes) - 1 / classes) / np.sqrt(classes - 1)
    cosines = np.sum(w * m, axis=1) / np.linalg.norm(w, axis=1) / np.linalg.norm(m, axis=1)
    return {
        "nc3.distance": np.linalg.norm(w / np.linalg.norm(w) - m / np.linalg.norm(m)),
        "nc3.structure_error": np.linalg.norm(product / np.linalg.norm(product) - ideal),
        "nc3.cosine_mean": cosines.mean(),
        "nc3.cosine_std": cosines.std(),
        "nc3.cosine_min": cosines.min(),
        "nc3.uniform_duality": np.sum(w * m, axis=1).var(),
        "nc3.bias_collapse": np.linalg.norm(w @ mu_g + bias[labels]),
        "nc3.nc0": np.linalg.norm(weight.sum(axis=0)) / len(weight),
    }


def _nc4(h, y, labels, mu, weight, bias):
    nearest = labels[np.argmin(((h[:, None] - mu[None]) ** 2).sum(axis=2), axis=1)]
    out = {"nc4.ncc_accuracy": np.mean(nearest == y)}
    if weight is not None:
        decided = np.argmax(h @ weight.T + bias, axis=1)
        out["nc4.agreement"] = np.mean(decided == nearest)
        out["nc4.classifier_accuracy"] = np.mean(decided == y)
    return out


def evaluation(h, y, train_h, train_y):
    """Returns nc4.ncc_accuracy and test_collapse of a split that was not trained on."""
    train_labels = np.unique(train_y)
    centers = np.stack([train_h[train_y == c].mean(axis=0) for c in train_labels])
    nearest = train_labels[np.argmin(((h[:, None] - centers[None]) ** 2).sum(axis=2), axis=1)]
    out = {"nc4.ncc_accuracy": np.mean(nearest == y)}
    labels = np.unique(y)
    if len(labels) < 2:
        return out | {"test_collapse.weak": None, "test_collapse.strong": None}
    own = np.stack([h[y == c].mean(axis=0) for c in labels])
    shared = centers[np.searchsorted(train_labels, labels)]
    index = np.searchsorted(labels, y)
    for path, means in (("weak", own), ("strong", shared)):
        spread = ((h - means[index]) ** 2).sum(axis=1).mean()
        between = ((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()
        out[f"test_collapse.{path}"] = spread / between
    return out


def orthogonality(ood, train_h, train_y):
    """Returns nc5.orthogonality."""
    means = np.stack([train_h[train_y == c].mean(axis=0) for c in np.unique(train_y)])
    center = ood.mean(axis=0)
    cosines = means @ center / np.linalg.norm(means, axis=1) / np.linalg.norm(center)
    return np.mean(np.abs(cosines))
