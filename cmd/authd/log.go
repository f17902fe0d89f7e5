package main

import (
	"io"
	"log/slog"
	"os"
)

type logFlags struct {
	LogFormat string     `name:"log-format" env:"AUTHD_LOG_FORMAT" group:"log" default:"text" enum:"text,json" help:"Form of the log on stderr: text or json (${default})."`
	LogLevel  slog.Level `name:"log-level" env:"AUTHD_LOG_LEVEL" group:"log" default:"info" help:"Least level that is logged: debug, info, warn or error (${default})."`
}

func (f *logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.LogLevel}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// commandLogger keeps quiet about what goes well: the result of a command is its output.
func commandLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
