-- The status of os.exit, with output that is still buffered.
io.write("buffered")
os.exit(203, true)
