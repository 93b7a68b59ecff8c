"""Figures that papers report, to stand beside ours. Facts, with their source; how they were measured differs.

Published frame-level AUC nearly always rests on scores that were scaled by each test video's own minimum and maximum
(our `_legacy` figures), which a nightly sweep cannot do.
"""

# micro AUC on UCSD Ped2
PED2_AUC: dict[str, tuple[float, str]] = {
    "stae": (0.874, "Chong and Tay, ISNN 2017, table 1"),
    "memory_ae": (
        0.970,
        "Park et al. (MNAD, prediction), CVPR 2020, table 1; Gong et al. (MemAE), ICCV 2019: 0.941",
    ),
    "stcen": (0.969, "Hao et al., Pattern Recognition 121, 2022, as later papers cite it"),
    "amae": (0.974, "Liu et al., IEEE TCAS-II 69(5), 2022, abstract"),
    "frame_prediction": (0.954, "Liu et al., CVPR 2018, table 1"),
}

# what the 2024 paper claims over each of the three, in percentage points
PAPER_MARGINS: dict[str, dict[str, float]] = {
    "std": {"precision": 5, "recall": 8, "f1": 7, "accuracy": 5},
    "stcen": {"precision": 1, "recall": 4, "f1": 3, "accuracy": 4},
    "amae": {"precision": 2, "recall": 1, "f1": 1, "accuracy": 1},
}
