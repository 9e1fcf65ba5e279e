package wiring

import "github.com/switchyard/switchyard/activities/packer"

// InstallPlugins puts Switchyard's Packer plugin into the folder, and Packer's amazon
// plugin where find has one: who bakes no AMIs needs none, and packer init may bring
// another.
func InstallPlugins(dir string, find func(program string) (string, error)) error {
	own, err := find(packer.Plugin)
	if err != nil {
		return err
	}
	if err := packer.InstallPlugin(dir, own); err != nil {
		return err
	}
	amazon, err := find(packer.PluginAmazon)
	if err != nil {
		return nil
	}
	return packer.InstallPlugin(dir, amazon)
}
