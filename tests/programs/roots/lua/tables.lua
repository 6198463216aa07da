-- Tables: sorting, moving, metatables, and enough garbage that the collector runs.
local list = {}
for index = 1, 5000 do list[index] = (index * 7919) % 5003 end
table.sort(list)
print(#list, list[1], list[2500], list[5000], table.concat(list, " ", 100, 110))
table.sort(list, function(left, right) return left > right end)
print(table.unpack(list, 1, 5))
table.move(list, 1, 3, 10)
print(table.remove(list), table.remove(list, 1), #list, select("#", table.unpack({ 1, nil, 3 }, 1, 3)))

local Vector = {}
Vector.__index = Vector
Vector.__add = function(left, right) return setmetatable({ x = left.x + right.x }, Vector) end
Vector.__tostring = function(self) return "vector " .. self.x end
Vector.__close = function(self) print("closed", self) end
do
   local sum <close> = setmetatable({ x = 1 }, Vector) + setmetatable({ x = 2 }, Vector)
   print(tostring(sum))
end

local weak = setmetatable({}, { __mode = "k" })
for index = 1, 20000 do weak[{}] = ("garbage"):rep(20) .. index end
collectgarbage()
print(next(weak), collectgarbage("count") < 4000)
