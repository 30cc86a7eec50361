// A policy that is a program: refuses Pods with images from elsewhere, and asks its host for the Pod's namespace.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"
)

//go:wasmimport host call
func hostCall(binding unsafe.Pointer, bindingLength uint32, namespace unsafe.Pointer, namespaceLength uint32,
	operation unsafe.Pointer, operationLength uint32, payload unsafe.Pointer, payloadLength uint32) uint32

type answer map[string]any

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err == nil {
		var answer answer
		answer, err = call(os.Args[1], input)
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(answer)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func call(operation string, input []byte) (answer, error) {
	switch operation {
	case "validate-settings":
		var settings struct{ Registry string }
		if err := json.Unmarshal(input, &settings); err != nil {
			return nil, err
		}
		if settings.Registry == "" {
			return answer{"valid": false, "message": "registry: it must name a registry"}, nil
		}
		return answer{"valid": true}, nil
	case "validate":
		return validate(input)
	}
	return nil, fmt.Errorf("no such operation: %s", operation)
}

func validate(input []byte) (answer, error) {
	var asked struct {
		Settings struct{ Registry string }
		Request  struct {
			Namespace string
			Object    struct {
				Spec struct{ Containers []struct{ Image string } }
			}
		}
	}
	if err := json.Unmarshal(input, &asked); err != nil {
		return nil, err
	}
	var namespace struct {
		Metadata struct{ Labels map[string]string }
	}
	question := answer{"api_version": "v1", "kind": "Namespace", "name": asked.Request.Namespace}
	if err := ask("kubernetes", "get_resource", question, &namespace); err != nil {
		return nil, err
	}
	if namespace.Metadata.Labels["images"] == "any" {
		return answer{"accepted": true}, nil
	}
	for _, container := range asked.Request.Object.Spec.Containers {
		if !strings.HasPrefix(container.Image, asked.Settings.Registry+"/") {
			message := fmt.Sprintf("%s is not from %s", container.Image, asked.Settings.Registry)
			return answer{"accepted": false, "message": message}, nil
		}
	}
	return answer{"accepted": true}, nil
}

func ask(namespace, operation string, question any, result any) error {
	payload, err := json.Marshal(question)
	if err != nil {
		return err
	}
	binding := []byte("kubewarden")
	ns, op := []byte(namespace), []byte(operation)
	failed := hostCall(unsafe.Pointer(&binding[0]), uint32(len(binding)), unsafe.Pointer(&ns[0]), uint32(len(ns)),
		unsafe.Pointer(&op[0]), uint32(len(op)), unsafe.Pointer(&payload[0]), uint32(len(payload)))
	told, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if failed != 0 {
		return fmt.Errorf("%s: %s", operation, told)
	}
	return json.Unmarshal(told, result)
}
