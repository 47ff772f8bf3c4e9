#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""world.py TOPOLOGY >world.svg
Draw the countries of a TopoJSON file, countries-50m.json of the npm package world-atlas, as a map in Mercator's projection:

    npm pack world-atlas && tar xf world-atlas-*.tgz && ./world.py package/countries-50m.json >world.svg
"""
import json
import math
import sys
from xml.sax.saxutils import escape

SIZE = 16384  # units across; paths have whole ones, relative to one another, which keeps the file small
COLOURS = ["#e8ddb5", "#d5e3b0", "#f0cfa8", "#dcd0e6", "#c9e0d3", "#f2dcdc", "#e3e3c8"]


def project(point, transform):
    lon = point[0] * transform["scale"][0] + transform["translate"][0]
    lat = point[1] * transform["scale"][1] + transform["translate"][1]
    lat = max(-85.0511, min(85.0511, lat))
    y = math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))
    return round((lon + 180) / 360 * SIZE), round((1 - y / math.pi) / 2 * SIZE)


def decode(topology):
    arcs = []
    for deltas in topology["arcs"]:
        x = y = 0
        arc = []
        for dx, dy in deltas:
            x, y = x + dx, y + dy
            point = project((x, y), topology["transform"])
            if not arc or arc[-1] != point:
                arc.append(point)
        arcs.append(arc)
    return arcs


def ring_points(ring, arcs):
    points = []
    for i in ring:
        arc = arcs[i] if i >= 0 else arcs[~i][::-1]
        points.extend(arc[1:] if points and points[-1] == arc[0] else arc)
    return points


def unrolled(points):
    """The ring as one piece, which may go beyond the map's sides, and around a pole along the map's lower side."""
    out, turns = [points[0]], 0
    for (x0, _), (x1, y1) in zip(points, points[1:]):
        turns += (x1 - x0 < -SIZE / 2) - (x1 - x0 > SIZE / 2)
        out.append((x1 + turns * SIZE, y1))
    if turns:
        out += [(out[-1][0], SIZE), (out[0][0], SIZE)]
    return out


def copies(points):
    """The ring as often as the map shows a part of it."""
    least, most = min(x for x, y in points), max(x for x, y in points)
    for turn in (-1, 0, 1):
        if least + turn * SIZE < SIZE and most + turn * SIZE > 0:
            yield [(x + turn * SIZE, y) for x, y in points]


def area_and_middle(points):
    twice = x = y = 0
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        cross = x0 * y1 - x1 * y0
        twice += cross
        x += (x0 + x1) * cross
        y += (y0 + y1) * cross
    if not twice:
        return 0, points[0]
    return abs(twice) / 2, (x / (3 * twice), y / (3 * twice))


def path(points):
    steps = (f"{u - x} {v - y}" for (x, y), (u, v) in zip(points, points[1:]))
    return f"M{points[0][0]} {points[0][1]}l" + " ".join(steps).replace(" -", "-") + "z"


def colour_all(countries):
    """To each a colour that no neighbour, with whom it shares an arc, has."""
    owners, colours = {}, []
    for n, country in enumerate(countries):
        used = [0] * len(COLOURS)
        for i in country["arcs_used"]:
            for neighbour in owners.setdefault(i, []):
                used[colours[neighbour]] += 1
            owners[i].append(n)
        colours.append(min(range(len(COLOURS)), key=lambda c: (used[c] > 0, (c + n) % len(COLOURS))))
    return colours


def read_countries(topology, arcs):
    countries = []
    for geometry in topology["objects"]["countries"]["geometries"]:
        polygons = geometry.get("arcs", [])
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        rings = [unrolled(ring_points(ring, arcs)) for polygon in polygons for ring in polygon]
        countries.append({
            "name": geometry["properties"]["name"],
            "rings": rings,
            "arcs_used": {i if i >= 0 else ~i for polygon in polygons for ring in polygon for i in ring},
            "place": max((area_and_middle(ring) for ring in rings), default=(0, (0, 0))),
        })
    return countries


def graticule():
    lines = [f"M{round(i * SIZE / 24)} 0V{SIZE}" for i in range(1, 24)]
    for lat in range(-75, 90, 15):
        y = math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))
        lines.append(f"M0 {round((1 - y / math.pi) / 2 * SIZE)}H{SIZE}")
    return "".join(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        topology = json.load(file)
    countries = read_countries(topology, decode(topology))
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 {SIZE} {SIZE}">')
    print("<!-- Natural Earth, 1:50m, which is in the public domain; drawn by world.py. -->")
    print(f'<rect width="{SIZE}" height="{SIZE}" fill="#b5d3e7"/>')
    print(f'<path d="{graticule()}" fill="none" stroke="#9fc2da" stroke-width="3"/>')
    print('<g stroke="#8d8373" stroke-width="2.5" stroke-linejoin="round" fill-rule="evenodd">')
    for country, colour in zip(countries, colour_all(countries)):
        d = "".join(path(part) for ring in country["rings"] if len(ring) > 2 for part in copies(ring))
        if d:
            print(f'<path fill="{COLOURS[colour]}" d="{d}"/>')
    print("</g>")
    print('<g font-family="DejaVu Sans, sans-serif" text-anchor="middle" fill="#4b4437">')
    for country in countries:
        area, (x, y) = country["place"]
        size = min(150, round(math.sqrt(area) * 1.1 / max(4, len(country["name"]))))
        if size < 8:
            continue  # each takes its time in every tile, whether it is seen or not
        print(f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}">{escape(country["name"])}</text>')
    print("</g>")
    print("</svg>")


main()
