"""HTTP: transports, proxies, server-sent events, and what their failures mean."""
