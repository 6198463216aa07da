-- Files: reading what is in the root, writing in a folder given by name.
local folder = arg[1]
for line in io.lines("strings.lua") do print(line) break end
local source = assert(io.open("tables.lua", "rb"))
print(source:seek("end"), source:seek("set", 10), source:read(8), source:seek("cur"))
source:close()

local name = folder .. "/numbers.txt"
local file = assert(io.open(name, "w+"))
for number = 1, 3000 do file:write(number, " ", number * number, "\n") end
file:seek("set", 0)
print(file:read("n", "n", "l", "L"))
print(#file:read("a"), file:read("a"), file:read("l"))
file:close()

file = assert(io.open(name, "a"))
file:setvbuf("full", 1024)
file:write("appended\n")
file:close()
local count = 0
for line in io.lines(name) do count = count + 1 end
print(count)

file = assert(io.open(name, "r+"))
file:write("CHANGED")
file:flush()
file:seek("set", 0)
print(file:read("l"), file:write("x") == file)
file:close()
print(pcall(file.read, file))

print(os.rename(name, folder .. "/moved.txt"), io.open(name) == nil)
print(os.remove(folder .. "/moved.txt"), io.open(folder .. "/moved.txt") == nil)
local temporary = io.tmpfile()
temporary:write("short-lived")
temporary:seek("set")
print(temporary:read("a"))
