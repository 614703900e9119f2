# The binary alone, without a shell, as a user that may write nothing but /data.
#
#   docker build -t userline .
#   docker run -p 4000:4000 -v userline-data:/data -v ./userline.toml:/etc/userline.toml:ro userline
#
# In the configuration: [listen] public = "0.0.0.0:4000", admin = "0.0.0.0:4001" (publish 4001 to your backend's
# network only) and [store] data_dir = "/data".
FROM rust:1-slim-bookworm AS build
# cmake and a C compiler: the TLS library and SQLite are compiled in.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends cmake g++ make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY config config
COPY src src
# Cargo.toml names a test and two benchmarks, so their files have to exist; their content does not matter here.
COPY benches/hot.rs benches/hot.rs
COPY benches/many_nodes.rs benches/many_nodes.rs
COPY tests/it/main.rs tests/it/main.rs
RUN cargo build --release --locked --bin userline && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/userline /usr/local/bin/userline
COPY --from=build --chown=65532:65532 /data /data
# The image's user "nonroot", by number so that a host can check it.
USER 65532
VOLUME /data
EXPOSE 4000 4001
# Whether the process lives; it listens on another admin port? Set USERLINE_URL. To know whether it takes clients (as a load
# balancer does, by GET /readyz on the public listener), leave `--live` out.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/userline", "health", "--live"]
# SIGTERM drains: give `docker stop -t` more than [listen] drain.
ENTRYPOINT ["/usr/local/bin/userline"]
CMD ["serve", "--config", "/etc/userline.toml"]
