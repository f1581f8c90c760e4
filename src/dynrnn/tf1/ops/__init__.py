"""The operations behind ``tf.*``: arrays, mathematics, linear algebra, random numbers, strings.

One subject a file. The namespaces beside this package (``array_ops``, ``math_ops``, ``linalg``, ...) say under which
names programs find them.
"""
