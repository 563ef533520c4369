"""A model behind HTTP, by MLflow's scoring protocol.

protocol   what a request's body says, and what an answer's does
pool       a bounded number of threads that predict
app        the endpoints, and the limits of a request
server     the socket, the limits of a connection, the logs, the end
"""
