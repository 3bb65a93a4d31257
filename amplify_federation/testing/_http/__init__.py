"""How the fake is reached: AWS JSON 1.1 over HTTP, in process or on loopback."""
