// Command pull-credentials answers as a kubelet does which credentials are shown for an image, and in which order: one
// question a line on standard input, one answer a line on standard output, both in JSON.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/distribution/reference"
	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type question struct {
	Image   string
	Secrets []struct {
		Name   string
		Data   []byte // in base64
		Legacy bool   // of type kubernetes.io/dockercfg
	}
}

type answer struct {
	Invalid string      `json:"invalid,omitempty"` // why the kubelet says InvalidImageName
	Broken  bool        `json:"broken,omitempty"`  // every pull fails by the Secrets
	Domain  string      `json:"domain,omitempty"`
	Name    string      `json:"name,omitempty"`
	Shown   [][3]string `json:"shown,omitempty"` // Secret, user name, password
}

func main() {
	// Of each entry that it passes over, the keyring would tell on standard error.
	klog.SetLogger(logr.Discard())
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatalf("cannot read the question: %v", err)
		}
		if err := answers.Encode(ask(asked)); err != nil {
			log.Fatalf("cannot write the answer: %v", err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatalf("cannot read the questions: %v", err)
	}
	if err := out.Flush(); err != nil {
		log.Fatalf("cannot write the answers: %v", err)
	}
}

// The calls of pkg/kubelet/images, on a node that has no credentials of its own.
func ask(asked question) answer {
	name, _, _, err := parsers.ParseImageName(asked.Image)
	if err != nil {
		return answer{Invalid: err.Error()}
	}
	named, err := reference.ParseNormalizedNamed(asked.Image)
	if err != nil {
		return answer{Invalid: err.Error()}
	}
	var listed []v1.Secret
	for _, it := range asked.Secrets {
		secret := v1.Secret{Type: v1.SecretTypeDockerConfigJson, Data: map[string][]byte{v1.DockerConfigJsonKey: it.Data}}
		if it.Legacy {
			secret = v1.Secret{Type: v1.SecretTypeDockercfg, Data: map[string][]byte{v1.DockerConfigKey: it.Data}}
		}
		secret.Name = it.Name
		listed = append(listed, secret)
	}
	keyring, err := secrets.MakeDockerKeyring(listed, &credentialprovider.BasicDockerKeyring{})
	if err != nil {
		return answer{Broken: true}
	}
	found := answer{Domain: reference.Domain(named), Name: name}
	credentials, _ := keyring.Lookup(name)
	for _, it := range credentials {
		found.Shown = append(found.Shown, [3]string{it.Source.Secret.Name, it.Username, it.Password})
	}
	return found
}
