# The controller, the stand-alone webhook and the policy; the chart's containers name which of them runs.
FROM scratch
# Tencent Cloud's public endpoints are checked against these.
COPY ca-certificates.crt /etc/ssl/certs/
COPY tcr-assistant harness policy.wasm /
USER 65532:65532
ENTRYPOINT ["/tcr-assistant"]
