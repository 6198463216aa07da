-- Standard input, read in every way there is.
print(io.read("l"))
print(io.read(10), io.read(0))
print(#io.read("L"))
local count, longest = 0, 0
for line in io.lines() do
   count = count + 1
   longest = math.max(longest, #line)
end
print(count, longest, io.read("l"), io.read("a"), io.read(0))
