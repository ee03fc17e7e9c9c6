"""The texts that go with an exported model."""

import sys

DOCKERFILE = """\
FROM python:{python}-slim
WORKDIR /app
COPY constraints.txt .
RUN pip install --no-cache-dir -r constraints.txt
COPY . .
RUN python -m compileall -q src
USER nobody
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready')"
CMD ["python", "src/cairn", "serve", "--host", "0.0.0.0"]
"""


def dockerfile() -> str:
    """Return a Dockerfile for the Python that runs now."""
    return DOCKERFILE.format(python=f"{sys.version_info.major}.{sys.version_info.minor}")
