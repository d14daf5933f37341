-- The nginx peer: a token cache as an operator would write it by hand. A token seen before costs one
-- table look-up and two comparisons; an unseen one is verified (RS256) by libcrypto through the FFI.
-- Only successes are kept, in an LRU of fixed length, so a flood of bad tokens fills nothing.
local ffi = require "ffi"
local cjson = require "cjson.safe"
local lrucache = require "resty.lrucache"
local decode_base64url = require("ngx.base64").decode_base64url

ffi.cdef [[
typedef struct bio_st BIO;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;
typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
typedef struct engine_st ENGINE;
BIO *BIO_new_mem_buf(const void *buf, int len);
int BIO_free(BIO *a);
EVP_PKEY *PEM_read_bio_PUBKEY(BIO *bp, EVP_PKEY **x, void *cb, void *u);
const EVP_MD *EVP_sha256(void);
EVP_MD_CTX *EVP_MD_CTX_new(void);
int EVP_MD_CTX_reset(EVP_MD_CTX *ctx);
int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, EVP_PKEY_CTX **pctx, const EVP_MD *type, ENGINE *e, EVP_PKEY *pkey);
int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs, size_t tbslen);
void ERR_clear_error(void);
]]
local crypto = ffi.load("libcrypto.so.3")

local cache_module = {}
local key, issuer, client, cache, context

function cache_module.configure(key_file, expected_issuer, expected_client, length)
    local file = assert(io.open(key_file, "rb"))
    local pem = file:read("*a")
    file:close()
    local bio = crypto.BIO_new_mem_buf(pem, #pem)
    key = crypto.PEM_read_bio_PUBKEY(bio, nil, nil, nil)
    crypto.BIO_free(bio)
    assert(key ~= nil, "no public key in " .. key_file)
    issuer, client = expected_issuer, expected_client
    cache = assert(lrucache.new(length))
    context = crypto.EVP_MD_CTX_new()
end

local function has_good_signature(signed, signature)
    crypto.EVP_MD_CTX_reset(context)
    local good = crypto.EVP_DigestVerifyInit(context, nil, crypto.EVP_sha256(), nil, key) == 1
        and crypto.EVP_DigestVerify(context, signature, #signature, signed, #signed) == 1
    if not good then crypto.ERR_clear_error() end
    return good
end

-- The claims that later requests need, or nil.
local function verify(token)
    local first = token:find(".", 1, true)
    local second = first and token:find(".", first + 1, true)
    if not second then return nil end
    local header = cjson.decode(decode_base64url(token:sub(1, first - 1)) or "")
    if type(header) ~= "table" or header.alg ~= "RS256" then return nil end
    local signature = decode_base64url(token:sub(second + 1))
    if not signature or not has_good_signature(token:sub(1, second - 1), signature) then return nil end
    local claims = cjson.decode(decode_base64url(token:sub(first + 1, second - 1)) or "")
    if type(claims) ~= "table" or type(claims.exp) ~= "number" or type(claims.sub) ~= "string"
        or claims.iss ~= issuer or claims.client_id ~= client or claims.token_use ~= "access" then
        return nil
    end
    return { exp = claims.exp, sub = claims.sub }
end

function cache_module.authorize()
    local authorization = ngx.var.http_authorization
    local identity = authorization and cache:get(authorization)
    if not identity and authorization then
        identity = authorization:sub(1, 7) == "Bearer " and verify(authorization:sub(8))
        if identity and identity.exp > ngx.time() then cache:set(authorization, identity) end
    end
    if not identity or identity.exp <= ngx.time() then
        ngx.header["WWW-Authenticate"] = "Bearer"
        return ngx.exit(401)
    end
    ngx.req.set_header("x-auth-subject", identity.sub)
end

return cache_module
