// flux does with manifests what Flux's kustomize-controller does, by its own package for server-side apply: the program
// that only wires it, because the controllers need a source to fetch from.
//
//	flux reconcile ROUNDS   applies the List of standard input, so many times, and names what it had to change
//
// The first round may create; what changes anything in a later one has drifted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 2 || arguments[0] != "reconcile" {
		return errors.New("usage: flux reconcile ROUNDS")
	}
	rounds, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	connection, err := config.GetConfig()
	if err != nil {
		return err
	}
	manager, err := connect(connection)
	if err != nil {
		return err
	}
	objects, err := utils.ReadObjects(os.Stdin)
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	// By these labels Flux knows what belongs to a Kustomization; what else carries them is pruned.
	manager.SetOwnerLabels(objects, "tcr", "flux-system")
	drifted := map[string]int{}
	for round := range rounds {
		apply := manager.ApplyAll
		if round == 0 {
			// Definitions and namespaces first, and waits for them.
			apply = manager.ApplyAllStaged
		}
		changes, err := apply(context.Background(), objects, ssa.DefaultApplyOptions())
		if err != nil {
			return fmt.Errorf("reconcile: %w", err)
		}
		for _, change := range changes.Entries {
			if change.Action == ssa.ConfiguredAction {
				drifted[change.Subject]++
			}
		}
	}
	for subject, times := range drifted {
		fmt.Printf("%s had drifted in %d rounds\n", subject, times)
	}
	fmt.Printf("%d objects reconciled %d times, %d differ\n", len(objects), rounds, len(drifted))
	if len(drifted) > 0 {
		return fmt.Errorf("%d objects had drifted", len(drifted))
	}
	return nil
}

func connect(connection *rest.Config) (*ssa.ResourceManager, error) {
	// The client's own limit is for programs that share a cluster.
	connection.QPS = -1
	cluster, err := client.New(connection, client.Options{})
	if err != nil {
		return nil, err
	}
	// What Flux owns of an object, it owns by this name.
	owner := ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"}
	poller := polling.NewStatusPoller(cluster, cluster.RESTMapper(), polling.Options{})
	manager := ssa.NewResourceManager(cluster, poller, owner)
	manager.SetConcurrency(4)
	return manager, nil
}
