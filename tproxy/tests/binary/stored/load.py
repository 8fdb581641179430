"""Loads the direct configuration as firewalld does when it starts, without its daemon and without its own rules."""
from firewall.core import ipXtables, nftables
from firewall.core.fw import Firewall
from firewall.core.io.functions import check_on_disk_config

firewall = Firewall(offline=True)
firewall.start()
check_on_disk_config(firewall)
# Offline it has no backends; these are its default.
firewall.ip4tables_backend = ipXtables.ip4tables(firewall)
firewall.ip6tables_backend = ipXtables.ip6tables(firewall)
firewall.nftables_backend = nftables.nftables(firewall)
firewall.ip4tables_enabled = firewall.ip6tables_enabled = firewall.nftables_enabled = True
for backend in (firewall.ip4tables_backend, firewall.ip6tables_backend):
    backend.fill_exists()
    backend.set_rules(backend.build_flush_rules(), "off")
firewall._start_apply_direct_rules()
