# Two images from one file: `--target operator` and `--target proxy`. The proxy's holds none of the operator's packages.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PYTHONSAFEPATH=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
# An environment of its own for the installer, so that nothing of it reaches the images.
RUN python3 -m venv /installer && /installer/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /source
COPY pyproject.toml hatch_build.py requirements.lock README.md LICENSE ./
COPY crds/pilothouse_api crds/pilothouse_api
COPY operator operator
COPY proxy proxy

FROM build AS build-operator
RUN python3 -m venv --without-pip /opt/pilothouse \
    && /installer/bin/uv pip install --no-cache --compile-bytecode --python /opt/pilothouse/bin/python \
        --constraint requirements.lock '.[operator]'

# The request path is compiled here, and again when a training has shown what it does most (see hatch_build.py). The
# image gets the libraries, not the compiler.
FROM build AS build-proxy
ENV PILOTHOUSE_COMPILE=1 PILOTHOUSE_PROFILE=/profile
COPY tests/load tests/load
RUN command -v cc || { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; }
RUN python3 -m venv --without-pip /opt/pilothouse \
    && install="/installer/bin/uv pip install --no-cache --compile-bytecode --python /opt/pilothouse/bin/python \
        --constraint requirements.lock" \
    && $install '.[proxy]' \
    && PYTHONPATH=/source /opt/pilothouse/bin/python -m tests.load.train \
    && $install --reinstall-package pilothouse '.[proxy]' \
    && rm -rf /opt/pilothouse/lib/python3*/site-packages/pilothouse_operator \
        /opt/pilothouse/lib/python3*/site-packages/pilothouse_api/resources

FROM ${BASE} AS runtime
ENV PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/pilothouse/bin:$PATH
LABEL org.opencontainers.image.licenses=Apache-2.0
# Any user of group 0 can run it, as OpenShift assigns them.
USER 65532:0
WORKDIR /tmp

FROM runtime AS operator
COPY --from=build-operator /opt/pilothouse /opt/pilothouse
LABEL org.opencontainers.image.title=pilothouse-operator
ENTRYPOINT ["pilothouse", "operator"]

FROM runtime AS proxy
COPY --from=build-proxy /opt/pilothouse /opt/pilothouse
LABEL org.opencontainers.image.title=pilothouse-proxy
ENTRYPOINT ["pilothouse", "proxy"]
