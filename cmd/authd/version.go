package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strconv"

	"github.com/go-authd/authd"
)

type versionCmd struct{}

// Help teaches.
func (versionCmd) Help() string { return "For example:\n\n    authd version --json" }

// Run prints what the linker knows.
func (versionCmd) Run(a *app) error {
	info, _ := debug.ReadBuildInfo()
	out := struct {
		Version  string `json:"version"`
		Revision string `json:"revision"`
		Go       string `json:"go"`
		Schema   int64  `json:"schema_version"`
	}{Version: buildVersion(), Schema: authd.NeededSchema}
	if info != nil {
		out.Go, out.Revision = info.GoVersion, revision(info)
	}
	return a.show(out, func(w io.Writer) {
		fmt.Fprintln(w, "authd", out.Version)
		facts(w, "revision", out.Revision, "go", out.Go, "schema", strconv.FormatInt(out.Schema, 10))
	})
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// revision is the commit, marked where the build had changes on top of it.
func revision(info *debug.BuildInfo) string {
	var commit, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	return commit + changed
}
