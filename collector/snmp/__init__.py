"""Polls network equipment by SNMP: routers at the end of the sites' lines, switches, printers."""
