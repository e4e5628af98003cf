"""Random refinements of random results, held against tshark, tcpdump and editcap on the downloaded file."""
