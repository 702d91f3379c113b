//go:build tools

// Package controlplane pins the programs that the cluster tests run: a real API server, its controllers and etcd.
package controlplane

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
