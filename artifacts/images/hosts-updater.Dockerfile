# The node agent, and nothing beside it.
FROM scratch
COPY hosts-updater /
ENTRYPOINT ["/hosts-updater"]
