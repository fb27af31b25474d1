#!/bin/sh
# The namespace, kept for a week after a run's end, and the search attributes that dspex's runs are found by.
set -eu

temporal operator cluster health
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
    temporal operator namespace create --namespace default --retention 168h
temporal operator search-attribute create --namespace default \
    --name DspexOptimizer --type Keyword --name DspexProgram --type Keyword --name DspexBestScore --type Double
