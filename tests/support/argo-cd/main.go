// argo-cd does with manifests what Argo CD does with an application's, by its own engine: the program that only wires it,
// because Argo CD's own needs a server, a repository and Redis.
//
//	argo-cd sync STRATEGY             applies the List of standard input
//	argo-cd compare STRATEGY ROUNDS   compares it with the cluster, so many times, and names what differs
//
// STRATEGY is how Argo CD compares: three-way (its default, for what is applied as `kubectl apply` does it) or server-side.
// Its third one, structured-merge, cannot read a Deployment's status of a Kubernetes that is newer than the engine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	jsonpatch "github.com/evanphx/json-patch"
	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// What Argo CD owns of an object, it owns by this name.
const manager = "argocd-controller"

// By this annotation Argo CD knows what belongs to an application; what else carries it is pruned.
const tracking = "argocd.argoproj.io/tracking-id"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: argo-cd sync STRATEGY | argo-cd compare STRATEGY ROUNDS")
	}
	cluster, err := connect(arguments[1])
	if err != nil {
		return err
	}
	manifests, err := read(os.Stdin)
	if err != nil {
		return err
	}
	switch {
	case arguments[0] == "sync":
		return cluster.sync(manifests)
	case arguments[0] == "compare" && len(arguments) == 3:
		rounds, err := strconv.Atoi(arguments[2])
		if err != nil {
			return err
		}
		return cluster.compare(manifests, rounds)
	default:
		return fmt.Errorf("unknown command %q", arguments[0])
	}
}

type cluster struct {
	config     *rest.Config
	kubectl    *kube.KubectlCmd
	operations kube.ResourceOperations
	serverSide bool
	options    []diff.Option
}

func connect(strategy string) (*cluster, error) {
	loader := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(loader, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	// The client's own limit is for programs that share a cluster.
	config.QPS = -1
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	schema, parser, err := kubectl.LoadOpenAPISchema(config)
	if err != nil {
		return nil, err
	}
	operations, _, err := kubectl.ManageResources(config, schema)
	if err != nil {
		return nil, err
	}
	options := []diff.Option{diff.WithGVKParser(parser), diff.WithManager(manager), diff.WithLogr(logr.Discard())}
	switch strategy {
	case "three-way":
	case "server-side":
		applier, _, err := kube.ManageServerSideDiffDryRuns(config, schema, tracing.NopTracer{}, logr.Discard(), nil)
		if err != nil {
			return nil, err
		}
		// As Argo CD has it by default: what webhooks change is no difference.
		options = append(options, diff.WithServerSideDiff(true), diff.WithIgnoreMutationWebhook(true),
			diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier)))
	default:
		return nil, fmt.Errorf("unknown strategy %q", strategy)
	}
	return &cluster{config, kubectl, operations, strategy != "three-way", options}, nil
}

func read(from io.Reader) ([]*unstructured.Unstructured, error) {
	bytes, err := io.ReadAll(from)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(bytes, &list); err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var manifests []*unstructured.Unstructured
	for _, item := range list.Items {
		manifest := &unstructured.Unstructured{Object: item}
		annotations := manifest.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[tracking] = fmt.Sprintf("tcr:%s/%s:%s/%s", manifest.GroupVersionKind().Group, manifest.GetKind(),
			manifest.GetNamespace(), manifest.GetName())
		manifest.SetAnnotations(annotations)
		manifests = append(manifests, manifest)
	}
	return manifests, nil
}

func (c *cluster) sync(manifests []*unstructured.Unstructured) error {
	for _, manifest := range manifests {
		_, err := c.operations.ApplyResource(context.Background(), manifest.DeepCopy(), cmdutil.DryRunNone,
			false, true, c.serverSide, manager)
		if err != nil {
			return fmt.Errorf("sync %s: %w", name(manifest), err)
		}
	}
	fmt.Printf("%d objects synced\n", len(manifests))
	return nil
}

// compare ends with an error where anything differs in any round.
func (c *cluster) compare(manifests []*unstructured.Unstructured, rounds int) error {
	differences := make([]int, len(manifests))
	details := make([]string, len(manifests))
	for range rounds {
		var group errgroup.Group
		group.SetLimit(4)
		for i, manifest := range manifests {
			group.Go(func() error {
				difference, err := c.difference(manifest)
				if err != nil {
					return fmt.Errorf("compare %s: %w", name(manifest), err)
				}
				if difference != "" {
					differences[i]++
					details[i] = difference
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	differing := 0
	for i, manifest := range manifests {
		if differences[i] > 0 {
			differing++
			fmt.Printf("%s differs in %d rounds: %s\n", name(manifest), differences[i], details[i])
		}
	}
	fmt.Printf("%d objects compared %d times, %d differ\n", len(manifests), rounds, differing)
	if differing > 0 {
		return fmt.Errorf("%d objects are OutOfSync", differing)
	}
	return nil
}

// difference is what a sync would change, as a JSON merge patch, and empty where that is nothing.
func (c *cluster) difference(manifest *unstructured.Unstructured) (string, error) {
	live, err := c.kubectl.GetResource(context.Background(), c.config, manifest.GroupVersionKind(), manifest.GetName(),
		manifest.GetNamespace())
	if apierrors.IsNotFound(err) {
		return "it is not there", nil
	}
	if err != nil {
		return "", err
	}
	result, err := diff.Diff(manifest.DeepCopy(), live, c.options...)
	if err != nil || !result.Modified {
		return "", err
	}
	patch, err := jsonpatch.CreateMergePatch(result.NormalizedLive, result.PredictedLive)
	return string(patch), err
}

func name(object *unstructured.Unstructured) string {
	return fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
}
