-- Recipes: the schema on which the cases of sqlite_fourth.tsv are measured, with rows in every table.
CREATE TABLE recipes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    servings INTEGER NOT NULL DEFAULT 4,
    steps TEXT,
    source TEXT,
    rating REAL CHECK (rating BETWEEN 0 AND 5),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO recipes (id, name, steps, source, rating, created_at) SELECT n, 'Recipe ' || n, hex(zeroblob(80)), 'book', 4, '2024-01-01' FROM c;
CREATE TABLE ingredients (id INTEGER PRIMARY KEY AUTOINCREMENT, label VARCHAR(60) NOT NULL UNIQUE, unit TEXT DEFAULT 'g', info TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO ingredients (id, label, info) SELECT n, 'Ingredient ' || n, hex(zeroblob(70)) FROM c;
CREATE TABLE recipe_ingredients (
    recipe_id INTEGER NOT NULL REFERENCES recipes (id) ON DELETE CASCADE,
    ingredient_id INTEGER NOT NULL REFERENCES ingredients (id),
    amount REAL,
    PRIMARY KEY (recipe_id, ingredient_id)
);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO recipe_ingredients SELECT n, n, 1.5 FROM c;
CREATE TABLE photos (recipe_id INTEGER, taken TEXT, data BLOB, note TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 800)
INSERT INTO photos SELECT n, '2024', zeroblob(150), 'n' || n FROM c;
CREATE INDEX photos_recipe ON photos (recipe_id);
CREATE INDEX recipes_name ON recipes (lower(name));
CREATE VIEW best AS SELECT id, name, rating FROM recipes WHERE rating > 4;
