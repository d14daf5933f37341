-- wrk script: takes the next request from a file each time.
-- Arguments: cycle|once  FILE  [AUTHORIZATION FILE]
-- A line of FILE is a token, or "host path" when a third argument names the file of the one token
-- that all requests carry. "once" stops the run when every line was used.
dofile((os.getenv("BENCH_CLIENT") or ".") .. "/report.lua")

local requests, position, count, once = {}, 0, 0, false

local function first_line(name)
    local file = assert(io.open(name))
    local line = file:read("*l")
    file:close()
    return line
end

function init(arguments)
    once = arguments[1] == "once"
    local shared = arguments[3] and "Bearer " .. first_line(arguments[3])
    for line in io.lines(arguments[2]) do
        count = count + 1
        if shared then
            local host, path = line:match("^(%S+) (%S+)$")
            requests[count] = wrk.format("GET", path, { Host = host, Authorization = shared })
        else
            requests[count] = wrk.format("GET", "/", { Host = "bench.test", Authorization = "Bearer " .. line })
        end
    end
end

function request()
    position = position + 1
    if position > count then
        if once then wrk.thread:stop() end
        position = once and count or 1
    end
    return requests[position]
end
