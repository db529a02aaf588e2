-- What was accepted is asked for by line: with an index of whole documents each line read all that its document had accepted.

CREATE INDEX document_surplus_sku ON document_surplus (document_id, sku_id);
DROP INDEX document_surplus_document;
