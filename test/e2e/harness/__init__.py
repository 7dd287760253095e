"""What the end-to-end tests stand on: peers that send exact bytes, origins, and the proxy itself."""
