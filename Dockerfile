# Bluetick in a container: one static set of files, no root, nothing written outside of /var/lib/bluetick.
# docker build -t bluetick . && docker run --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 -v bluetick:/var/lib/bluetick bluetick

FROM rust:1.94-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --locked --release --bin bluetick

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/bluetick --shell /usr/sbin/nologin bluetick \
    && install -d -m 0700 -o bluetick -g bluetick /var/lib/bluetick
COPY --from=build /source/target/release/bluetick /usr/local/bin/bluetick
USER bluetick
WORKDIR /var/lib/bluetick
ENV BLUETICK_DATA_DIR=/var/lib/bluetick \
    BLUETICK_LISTEN=0.0.0.0:8080
VOLUME /var/lib/bluetick
EXPOSE 8080
STOPSIGNAL SIGTERM
# The image has no HTTP client; bash can open a connection.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '200 OK' <&3"]
ENTRYPOINT ["/usr/local/bin/bluetick"]
CMD ["serve"]
