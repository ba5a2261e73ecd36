# One image for `wkmb serve` and `wkmb worker`. The first stage builds, the second holds what runs and nothing else.
# `make rehearsal` (scripts/rehearse_image.py) carries out each instruction without a container engine.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/build && python -m venv /opt/wkmb

# The locks change less often than the code, so these layers are used again.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements/build.txt
RUN /opt/wkmb/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY scripts/build_backend.py scripts/
COPY connectors connectors
COPY hub hub
COPY lrs lrs
COPY mappings mappings
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist .
RUN /opt/wkmb/bin/pip install --no-cache-dir --no-deps --no-index /dist/*.whl

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/wkmb --create-home --shell /usr/sbin/nologin wkmb
COPY --from=build /opt/wkmb /opt/wkmb
ENV PATH=/opt/wkmb/bin:$PATH PYTHONUNBUFFERED=1 WKMB_HOME=/var/lib/wkmb
WORKDIR /var/lib/wkmb
USER wkmb
VOLUME /var/lib/wkmb
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["wkmb"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--no-worker"]
