-- Arguments and environment arrive as they were given.
print(#arg, arg[0])
for index, argument in ipairs(arg) do print(index, ("%q"):format(argument)) end
print(os.getenv("NO_SUCH_VARIABLE"))
