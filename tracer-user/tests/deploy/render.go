// Renders a chart as `helm template` does: the same template language, the same functions of sprig, and those that Helm
// adds and our charts use. Helm itself is in no package of Debian's.
//
// Arguments: the chart's directory. Standard input: {"values": {…}, "namespace": …, "release": …, "kubeVersion": …}.
// Standard output: {"FILE": "TEXT", …}.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

type object = map[string]interface{}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// As Helm has values: numbers are floats, whatever they were.
func viaJSON(value interface{}) object {
	text, err := json.Marshal(value)
	check(err)
	var read object
	check(json.Unmarshal(text, &read))
	return read
}

func readYAML(path string) object {
	text, err := os.ReadFile(path)
	check(err)
	var value object
	check(yaml.Unmarshal(text, &value))
	return viaJSON(value)
}

// Maps are merged, all else is replaced, and null removes.
func merge(base, over object) object {
	for key, value := range over {
		mine, isMap := base[key].(object)
		theirs, bothMaps := value.(object)
		switch {
		case value == nil:
			delete(base, key)
		case isMap && bothMaps:
			base[key] = merge(mine, theirs)
		default:
			base[key] = value
		}
	}
	return base
}

func toYAML(value interface{}) string {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	check(encoder.Encode(value))
	return strings.TrimSuffix(out.String(), "\n")
}

func main() {
	var wanted struct {
		Values                          object
		Namespace, Release, KubeVersion string
	}
	check(json.NewDecoder(os.Stdin).Decode(&wanted))
	dir := os.Args[1]
	chart := readYAML(filepath.Join(dir, "Chart.yaml"))
	// as the fields of Helm's struct are called
	about := object{}
	for key, value := range chart {
		about[strings.ToUpper(key[:1])+key[1:]] = value
	}
	data := object{
		"Values":       merge(readYAML(filepath.Join(dir, "values.yaml")), wanted.Values),
		"Chart":        about,
		"Release":      object{"Name": wanted.Release, "Namespace": wanted.Namespace, "Service": "Helm"},
		"Capabilities": object{"KubeVersion": object{"Version": wanted.KubeVersion}},
	}

	all := template.New("chart").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = toYAML
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, fmt.Errorf("%s", message)
		}
		return value, nil
	}
	all.Funcs(functions)
	files, err := filepath.Glob(filepath.Join(dir, "templates", "*"))
	check(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		_, err = all.New(filepath.Base(file)).Parse(string(text))
		check(err)
	}
	rendered := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out bytes.Buffer
		check(all.ExecuteTemplate(&out, name, data))
		rendered[name] = out.String()
	}
	check(json.NewEncoder(os.Stdout).Encode(rendered))
}
