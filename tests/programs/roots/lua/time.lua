-- Time: what must hold of any clock that is right.
local now = os.time()
print(now > 1700000000, math.type(now), os.time() - now <= 2)
print(os.date("!%Y-%m-%d %H:%M:%S", 0), os.date("!%A %j", 951782400))
print(os.time({ year = 2000, month = 2, day = 30, hour = 12 }) == os.time({ year = 2000, month = 3, day = 1, hour = 12 }))
local date = os.date("*t", 1000000000)
print(date.year, date.month, date.isdst, os.difftime(10, 4))
local start = os.clock()
local sum = 0
for number = 1, 300000 do sum = sum + number % 7 end
print(sum, os.clock() >= start, os.clock() - start < 30)
print(os.setlocale(), os.setlocale("C"))
