// What the nodes' containers run.
module tcr-assistant.test/app

go 1.25.0
