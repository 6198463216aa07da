-- Strings: formats of integers and doubles, patterns, bytes, packing.
print(string.format("%5d|%-8s|%08.3f|%x|%q|%g|%e", 42, "left", math.pi, 255, "a\n\0b", 1e300, 1 / 3))
print(("%s"):rep(3, ","):format(1, 2.5, true))
print(("the quick brown fox"):gsub("%w+", string.upper))
for key, value in ("a=1, b=22, c=333"):gmatch("(%w+)=(%w+)") do io.write(key, ":", value, " ") end
print(("x"):byte(), string.char(0x41, 0x42), #"\u{1F600}", utf8.len("Grüße"))
print(string.pack("<i4z", 100000, "text"):byte(1, -1))
print(("hello"):find("l"), ("hello"):sub(-3), ("a,b,,c"):find(",", 1, true))
print(10 // 3, 10 % -3, 7.5 // 2, 2 ^ 0.5, 1 << 40, math.maxinteger + 1 == math.mininteger)
print(math.floor(-2.5), math.tointeger(3.0), tostring(0 / 0):gsub("-", ""), 1 / 0, string.format("%a", 0.1))
local bytes = {}
for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
io.write(table.concat(bytes), "\n")
