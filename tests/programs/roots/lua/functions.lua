-- Functions: closures, variable arguments, coroutines, modules found by name.
local function counter()
   local count = 0
   return function() count = count + 1 return count end
end
local first, second = counter(), counter()
print(first(), first(), second())
print(select("#", nil, nil), (function(...) return select(-1, ...) end)("a", "b", "c"))

local primes = coroutine.wrap(function()
   local sieve = {}
   for number = 2, 200 do
      if not sieve[number] then
         coroutine.yield(number)
         for multiple = number * number, 200, number do sieve[multiple] = true end
      end
   end
end)
for prime in primes do io.write(prime, " ") end
print()

local ping = coroutine.create(function(word)
   while word ~= "stop" do word = coroutine.yield(word:upper()) end
   error({ code = 7 })
end)
print(coroutine.resume(ping, "one"))
print(coroutine.resume(ping, "two"))
local is_well, failure = coroutine.resume(ping, "stop")
print(is_well, failure.code, coroutine.status(ping))

local function depth(level) return level == 0 and 0 or 1 + depth(level - 1) end
print(depth(10000), require("lib.greeting")("world"))
