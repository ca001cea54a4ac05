# One image for the web server, the workers and the migrations; compose.yaml says which runs what.
FROM python:3.11-slim-bookworm AS build
WORKDIR /srv
COPY requirements.txt .
RUN python -m venv /srv/venv \
 && /srv/venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /srv/home portal
WORKDIR /srv/portal
COPY --from=build /srv/venv /srv/venv
COPY . .
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PORTAL_ENV=production HOST=0.0.0.0 PORT=8000 DATA_DIR=/tmp/portal
USER portal
EXPOSE 8000
CMD ["gunicorn"]
