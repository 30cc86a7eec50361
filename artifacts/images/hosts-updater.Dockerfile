# The node agent, and nothing beside it.
FROM scratch
COPY hosts-updater /
# What held a large hosts file is given back at once: left alone, glibc keeps as much as was ever needed for a moment.
ENV GLIBC_TUNABLES=glibc.malloc.mmap_threshold=65536:glibc.malloc.arena_max=1
ENTRYPOINT ["/hosts-updater"]
