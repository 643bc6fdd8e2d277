-- Shows who is on screen: reads movie.visage.json beside movie.mkv, which `visage export --format sidecar` writes.
-- Copy into ~/.config/mpv/scripts/. The key w shows and hides the names.

local utils = require "mp.utils"

local moments, people = {}, {}
local is_shown = true
local overlay = mp.create_osd_overlay("ass-events")

local function load_sidecar()
    moments, people = {}, {}
    overlay:remove()
    local path = mp.get_property("path")
    if not path or path:find("://") then return end
    local file = io.open((path:gsub("%.[^./]+$", "")) .. ".visage.json", "r")
    if not file then return end
    local record = utils.parse_json(file:read("*a"))
    file:close()
    if not record or record.format ~= "visage-sidecar" or record.version ~= 1 then
        mp.msg.warn("the sidecar is of another version; export it again")
        return
    end
    moments, people = record.moments, record.people
end

-- The last moment that has begun; moments are in the order of time.
local function moment_at(seconds)
    local low, high = 1, #moments
    while low <= high do
        local middle = math.floor((low + high) / 2)
        if moments[middle].start <= seconds then low = middle + 1 else high = middle - 1 end
    end
    local found = moments[high]
    if found and seconds < found["end"] then return found end
end

local function escaped(name)
    return (name:gsub("\\", "\\\239\187\191"):gsub("{", "\\{"):gsub("\n", " "))
end

local function draw(_, seconds)
    local found = is_shown and seconds and moment_at(seconds)
    local names = {}
    if found then
        for _, number in ipairs(found.people) do names[#names + 1] = escaped(people[number + 1].name) end
    end
    local text = table.concat(names, "\\N")
    if text == overlay.data then return end
    overlay.data = text
    if text == "" then overlay:remove() else overlay:update() end
end

mp.register_event("file-loaded", load_sidecar)
mp.observe_property("time-pos", "number", draw)
mp.add_key_binding("w", "visage-toggle", function()
    is_shown = not is_shown
    draw(nil, mp.get_property_number("time-pos"))
end)
