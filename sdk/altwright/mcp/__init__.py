"""`altwright mcp` (extra `mcp`): tools for agents, by the Model Context Protocol over stdio."""
