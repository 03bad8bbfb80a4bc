package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/settings"
)

// setupSecretCommand prints what setup wrote as a Secret of Kubernetes; an image without a shell has no other way to hand it out.
func setupSecretCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "secret NAME",
		Short: "Print the App's key and secrets as a Secret for Kubernetes, to move them out of the state directory",
		Long: "Print the App's key and secrets as a manifest of a Secret, with the keys that the Helm chart reads, to pipe into `kubectl apply -f -`.\n" +
			"The values that the chart then needs are printed on stderr.",
		Args: cobra.ExactArgs(1),
	}
	load := settingsFlags(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := load()
		if err != nil {
			return err
		}
		if !set.Registered() {
			return errors.New("no App is set up yet: there are no secrets")
		}
		data := map[string]string{"private-key": string(set.PrivateKey), "webhook-secret": ""}
		for _, line := range set.WebhookSecrets {
			data["webhook-secret"] += string(line) + "\n"
		}
		if set.ClientID != "" {
			data["client-secret"] = set.ClientSecret
		}
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": map[string]string{"name": args[0]}, "stringData": data,
		}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "Then let the chart read it, with any number of replicas:\n\n    helm upgrade RELEASE CHART --reuse-values --set setup.enabled=false,github.secretName=%s,publicUrl=%s,github.apiUrl=%s,github.clientId=%s --set-string github.appId=%d\n",
			args[0], set.PublicURL, set.GitHubAPIURL, set.ClientID, set.AppID)
		return nil
	}
	return c
}

// tellKubernetes says after a setup in a pod how the secrets get into a Secret.
func tellKubernetes(cmd *cobra.Command, set *settings.Settings) {
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return
	}
	host, err := os.Hostname() // the pod's name
	if err != nil {
		host = "POD"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "The secrets are in %s. To move them into a Secret, so that several replicas can run:\n\n    kubectl exec %s -- /relbot setup secret relbot-github | kubectl apply -f -\n\n", set.State, host)
}
