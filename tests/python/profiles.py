"""Other tools' numbers, transcribed from what they publish: float64, loops, np.linalg.pinv.

Each function takes features `h` [N, d], labels `y` [N], the classifier `w` [K, d] and its bias `b`
[K], and returns numbers by the tool's names. Classes without samples, which the tools do not know,
are left out of what is over class means.
"""

import numpy as np


def papyan(h, y, w, b):
    """The notebook of Papyan, Han and Donoho (2008.08186)."""
    labels, mu = _class_means(h, y)
    classes = len(labels)
    m = mu - mu.mean(axis=0)
    within = _within(h, y, labels, mu)
    trace = np.trace(within @ _pinv(m.T @ m / classes, m.shape))
    m_norms, w_norms = np.linalg.norm(m, axis=1), np.linalg.norm(w, axis=1)
    dual = w[labels] / np.linalg.norm(w[labels]) - m / np.linalg.norm(m)
    decided = (h @ w.T + b).argmax(axis=1)
    return {
        "NC1": trace / classes,
        "Sw_invSb": trace,
        "norm_M_CoV": m_norms.std(ddof=1) / m_norms.mean(),
        "norm_W_CoV": w_norms.std(ddof=1) / w_norms.mean(),
        "cos_M": _coherence(m),
        "cos_W": _coherence(w),
        "W_M_dist": np.linalg.norm(dual) ** 2,
        "NCC_mismatch": 1 - np.mean(decided == _nearest(h, labels, mu)),
        "accuracy": np.mean(decided == y),
    }


def geometric(h, y, w, b):
    """validate_NC.py of Zhu et al. (2105.02375); W centred as in evaluate.py of 2210.02192."""
    labels, mu = _class_means(h, y)
    classes = len(labels)
    mu_g = h.mean(axis=0)
    m = mu - mu_g
    between = sum(np.outer(row, row) for row in m) / classes
    centered = w - w.mean(axis=0)
    return {
        "collapse_metric": np.trace(_within(h, y, labels, mu) @ _pinv(between, m.shape)) / classes,
        "ETF_metric": _simplex_error(w @ w.T),
        "ETF_metric_centered": _simplex_error(centered @ centered.T),
        "WH_relation_metric": _simplex_error(w[labels] @ m.T),
        "Wh_b_relation_metric": np.linalg.norm(w[labels] @ mu_g + b[labels]),
    }


def linguistic(h, y, w, b):
    """analyze.py of Wu and Papyan (2405.17767). `b` is not looked at."""
    labels, mu = _class_means(h, y)
    m = mu - mu.mean(axis=0)
    hits = _unbiased_hits(h, labels, mu, w)
    w = w[labels]
    norms = np.linalg.norm(m, axis=1)
    pairs = _pairs(len(labels))
    interference = np.array([m[i] @ m[j] for i, j in pairs])
    kernel = np.array([np.log(1 / np.linalg.norm(u - v)) for u, v in _unit_pairs(m)])
    w_norms = np.linalg.norm(w, axis=1)
    dots = np.array([row @ mean for row, mean in zip(w, m, strict=True)])
    distances = np.linalg.norm(w / w_norms[:, None] - m / norms[:, None], axis=1)
    out = {
        "cdnv": np.mean(_cdnv(h, y, labels, mu, 2)),
        "etf_error": _simplex_error(m @ m.T),
        "interfere_mean": interference.mean(),
        "interfere_var": interference.var(),
        "log_kern_mean": kernel.mean(),
        "log_kern_var": kernel.var(),
        "dual_error": _simplex_error(w @ m.T),
        "hits": hits,
        "misses": len(y) - hits,
        "agreement": hits / len(y),
    }
    for name, values in {
        "norms": norms,
        "norms_log": np.log(norms),
        "simdot": dots,
        "simcos": dots / norms / w_norms,
        "dists": distances,
    }.items():
        out[f"{name}_mean"], out[f"{name}_var"] = values.mean(), values.var(ddof=1)
    return out


def rw(h, y, w, b):
    """The README of the package neural-collapse. `b` is not looked at."""
    labels, mu = _class_means(h, y)
    classes = len(labels)
    m = mu - mu.mean(axis=0)
    agreement = _unbiased_hits(h, labels, mu, w) / len(y)
    w = w[labels]
    within, between = _within(h, y, labels, mu), m.T @ m / classes
    values, vectors = np.linalg.eigh(between)
    top, kept = vectors[:, 1 - classes :], values[1 - classes :]
    truncated = top @ np.diag(1 / kept) @ top.T
    distances = np.array([np.linalg.norm(u - v) for u, v in _unit_pairs(m)])
    out = {
        "nc1_pinv": np.trace(_pinv(between, m.shape) @ within) / classes,
        "nc1_svd": np.trace(within @ truncated) / classes,
        "nc1_quot": np.trace(within) / np.trace(between),
        "nc1_cdnv": np.mean(_cdnv(h, y, labels, mu, 1)),
        "nc2_etf_err": _simplex_error(m @ m.T),
        "nc2g_dist": distances.var(),
        "nc2g_log": np.log(1 / distances).var(),
        "nc3_dual_err": _simplex_error(w @ m.T),
        "nc3u_uni_dual": np.sum(w * m, axis=1).var(ddof=1),
        "nc4_agree": agreement,
        "nc5_ood_dev": None,  # of another split
    }
    if kept[0] <= 1e-12 * kept[-1] or classes - 1 > h.shape[1]:
        out["nc1_svd"] = None  # divides by rounding errors
    return out


def rw_ood_deviation(h, y, train_h, train_y):
    """nc5_ood_dev of out-of-distribution samples."""
    center = _class_means(h, y)[1].mean(axis=0)
    means = _class_means(train_h, train_y)[1]
    cosines = means @ center / np.linalg.norm(means, axis=1) / np.linalg.norm(center)
    return np.mean(np.abs(cosines))


def _class_means(h, y):
    labels = np.unique(y)
    return labels, np.stack([h[y == c].mean(axis=0) for c in labels])


def _within(h, y, labels, mu):
    rest = h - mu[np.searchsorted(labels, y)]
    return sum(np.outer(row, row) for row in rest) / len(h)


def _pinv(between, shape):
    return np.linalg.pinv(between, rcond=max(shape) * np.finfo(float).eps, hermitian=True)


def _pairs(count):
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def _unit_pairs(rows):
    units = rows / np.linalg.norm(rows, axis=1)[:, None]
    return [(units[i], units[j]) for i, j in _pairs(len(units))]


def _coherence(rows):
    """Mean over ordered pairs of |cos + 1/(C-1)|."""
    count = len(rows)
    units = rows / np.linalg.norm(rows, axis=1)[:, None]
    gram = units @ units.T + 1 / (count - 1)
    np.fill_diagonal(gram, 0)
    return np.abs(gram).sum() / (count * (count - 1))


def _simplex_error(product):
    count = len(product)
    ideal = (np.eye(count) - 1 / count) / np.sqrt(count - 1)
    return np.linalg.norm(product / np.linalg.norm(product) - ideal)


def _cdnv(h, y, labels, mu, power):
    """(v + v') / 2 over the squared distance to that power, for every pair."""
    v = [((h[y == c] - mean) ** 2).sum(axis=1).mean() for c, mean in zip(labels, mu, strict=True)]
    return [
        (v[i] + v[j]) / 2 / np.sum((mu[i] - mu[j]) ** 2) ** power for i, j in _pairs(len(labels))
    ]


def _nearest(h, labels, mu):
    return labels[((h[:, None] - mu[None]) ** 2).sum(axis=2).argmin(axis=1)]


def _unbiased_hits(h, labels, mu, w):
    """Samples that W h and the nearest centre decide alike."""
    return int(np.sum((h @ w.T).argmax(axis=1) == _nearest(h, labels, mu)))
