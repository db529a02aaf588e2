"""Stock and movements as they happen, over one WebSocket for each page.

outbox ──feed.py──▶ changes ──picture.py──▶ deltas ──hub.py──▶ every client, at its own pace
"""
