// Reads objects as JSON, one after the other, and says of each in one word what others make of its status: cli-utils
// and Flux by kstatus, or, with a script as the only argument, Argo CD by its health check in Lua.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	judge := kstatus
	if len(os.Args) > 1 {
		script, err := os.ReadFile(os.Args[1])
		must(err)
		judge = func(raw []byte) (string, error) { return health(string(script), raw) }
	}
	decoder := json.NewDecoder(os.Stdin)
	for {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return
		} else {
			must(err)
		}
		word, err := judge(raw)
		must(err)
		fmt.Println(word)
	}
}

func kstatus(raw []byte) (string, error) {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(raw); err != nil {
		return "", err
	}
	found, err := status.Compute(object)
	if err != nil {
		return "", err
	}
	return string(found.Status), nil
}

// health runs a script as Argo CD does: `obj` is the object, the answer a table with `status`.
func health(script string, raw []byte) (string, error) {
	var object interface{}
	if err := json.Unmarshal(raw, &object); err != nil {
		return "", err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString} {
		state.Push(state.NewFunction(open))
		state.Call(0, 0)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", err
	}
	table, is := state.Get(-1).(*lua.LTable)
	if !is {
		return "", errors.New("the script answers no table")
	}
	return table.RawGetString("status").String(), nil
}

func value(state *lua.LState, found interface{}) lua.LValue {
	switch found := found.(type) {
	case map[string]interface{}:
		table := state.NewTable()
		for key, each := range found {
			table.RawSetString(key, value(state, each))
		}
		return table
	case []interface{}:
		table := state.NewTable()
		for _, each := range found {
			table.Append(value(state, each))
		}
		return table
	case string:
		return lua.LString(found)
	case float64:
		return lua.LNumber(found)
	case bool:
		return lua.LBool(found)
	}
	return lua.LNil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
