"""The suite is for the CPU, on every machine: its tests compare what they make there. `make test-gpu` is not."""

import os

if "FROMNOISE_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
