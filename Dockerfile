# The image of authd: the static binary and the certificates of the public authorities, for TLS
# to PostgreSQL. scripts/image lays out rootfs/ and builds it.
FROM scratch
COPY rootfs/ /
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/authd"]
CMD ["serve"]
